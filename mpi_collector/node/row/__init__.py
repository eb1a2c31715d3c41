"""Turn the text of kernel files into the fixed int64 record of a sample."""
