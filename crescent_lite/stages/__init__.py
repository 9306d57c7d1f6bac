"""The four stages of a round (ask, vote, train, evaluate) and the frame around each of them."""
