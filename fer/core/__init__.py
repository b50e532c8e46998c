"""What everything else stands on: errors, files, text, labels, processes; no torch, no OpenCV."""
