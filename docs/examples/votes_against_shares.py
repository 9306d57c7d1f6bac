# %% [markdown]
# How many votes did each question take, and how far did its votes agree?
#
# A question is voted on until further votes cannot change its label. This reads a workspace's database, trains
# nothing, and draws one bubble for all questions with the same share of the leading answer and the same number of
# votes. Run it cell by cell, or as a whole beside a workspace `data`: python votes_against_shares.py

# %%
from pathlib import Path

from matplotlib.figure import Figure

import crescent_lite

WORKSPACE = Path("data")
PICTURE = Path("votes-against-shares.svg")

# %% [markdown]
# ## The numbers
# `share` is the leading answer's part of all votes of a question, 0-1; votes without an answer count against it.

# %%
QUERY = """
    SELECT decision, share, votes, count(*) AS questions
    FROM v_questions WHERE votes > 0 GROUP BY decision, share, votes ORDER BY share
"""
with crescent_lite.open_database(WORKSPACE) as database:
    rows = list(database.query(QUERY))

for row in rows:
    print(f"{row['share']:5.0%} of {row['votes']} votes: {row['questions']:3} questions {row['decision']}")

# %% [markdown]
# ## The picture
# Areas grow with the number of questions.

# %%
COLOURS = {"labelled": "#0072b2", "rejected": "#d55e00"}
figure = Figure(figsize=(7, 4), layout="constrained")
axes = figure.subplots()
for decision, colour in COLOURS.items():
    found = [row for row in rows if row["decision"] == decision]
    axes.scatter(
        [row["share"] for row in found],
        [row["votes"] for row in found],
        s=[12 * row["questions"] for row in found],
        color=colour,
        alpha=0.6,
        label=f"{decision}: {sum(row['questions'] for row in found)} questions",
    )
axes.set_xlabel("share of the leading answer (0-1)")
axes.set_ylabel("votes drawn")
axes.set_xlim(-0.05, 1.05)
axes.yaxis.get_major_locator().set_params(integer=True)
axes.margins(y=0.25)
axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, frameon=False)
figure.savefig(PICTURE)
print(PICTURE)

# %%
figure  # a notebook shows it here
