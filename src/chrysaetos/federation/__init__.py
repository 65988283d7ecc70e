"""What a site shows a portal: exactly the series that were agreed, to holders of named tokens.

`policy` (what a token may see) and `gate` (from a request to what the upstream is asked) are pure; `tokens`
keeps the tokens' hashes in a file.
"""
