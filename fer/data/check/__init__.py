"""What a data set is worth: what is wrong with its faces and labels, and what to do about it."""
