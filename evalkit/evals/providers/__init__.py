"""Where answers come from: model APIs, a model on this CPU, recordings, whole applications."""
