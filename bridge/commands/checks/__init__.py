"""What `attacca doctor` looks at, by subject. Each check is a function without arguments that answers with a `Line`."""
