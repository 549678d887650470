"""Operations as one SQL statement each, which writes the response's JSON itself."""
