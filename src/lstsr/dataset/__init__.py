"""From aligned triplets to the file that training reads, and back."""
