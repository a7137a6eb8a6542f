"""What computes and knows nothing of pipelines."""
