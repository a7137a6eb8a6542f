"""Head models, textures, photographs and weights, each with licence, hash and provenance."""
