"""The doctor: what of a project and its repository keeps promotion from working, or lets in what must stay out."""
