"""Real parts for tests: a loopback model server and fakes that pass the same contract tests as the originals."""
