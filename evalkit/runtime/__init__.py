"""What an application imports: bundle, digest, templates, resolution. Standard library, PyYAML and Jinja2 only."""
