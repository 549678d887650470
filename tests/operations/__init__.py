"""Operations on the real schema, drawn at random: documents, and several values for each."""
