"""What a fitted score's variance is said to be, against fits to many drawn training sets."""
