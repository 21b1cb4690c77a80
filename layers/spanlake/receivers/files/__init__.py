"""Files with spans in formats of others: which they are, and the requests that are made of them."""
