"""The stages of a round (ask, vote, train, evaluate, second opinions), and the frame around each of them."""
