"""PromQL: text → tokens → tree. Pure: the standard library alone, no input and no output."""
