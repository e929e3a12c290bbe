"""What a server and its clients say to one another: questions as JSON, answers as packets."""
