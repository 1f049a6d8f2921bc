"""What training leaves behind so that forgetting is one cheap step."""
