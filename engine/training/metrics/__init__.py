"""What a bundle is judged by. Each module holds the measure and the section of the evaluation that uses it."""
