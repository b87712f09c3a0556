"""Many runs from one request, carried out into a folder: the only room that writes runs."""
