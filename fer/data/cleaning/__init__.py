"""What is changed about the faces of a source before training: cleaning, fixes, protocols."""
