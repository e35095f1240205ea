"""Top floor: the verbs of the command line. They read arguments, call the floor below, and turn failures into one line and a code."""
