"""The built-in priors, one file each; they register by entry point like anyone else's."""
