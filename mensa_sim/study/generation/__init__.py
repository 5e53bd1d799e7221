"""What an answer of a model that generates costs: its prompt, and each decoding step after it."""
