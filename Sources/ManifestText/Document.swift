// The tree that YAML and JSON are read into.
