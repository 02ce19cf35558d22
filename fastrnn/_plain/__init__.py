"""The plain column: the definition of what an RNN computes. Its front page is _fallback.py."""
