"""Sentences for `bench_voices`: plain ones, and pairs of one that is written with marks and the same in words.

All words are common ones, so that what a small recogniser mishears is the voice's doing as far as can be. `HELD_OUT_…`
were written together with the others and looked at once, when everything was decided.
"""

# What is said; it is written like that, too.
PLAIN = (
    "A man in a red coat crosses the street with his dog",
    "The white car turns left at the corner and stops",
    "Two children are playing with a ball in the garden",
    "She opens the door and walks into the kitchen",
    "The crowd is on its feet and the players are running back",
    "A boat comes slowly into the harbour under a grey sky",
    "He takes the bag from the table and puts it on the floor",
    "The train leaves the station and nobody is left behind",
    "A bird lands on the fence and looks around",
    "The goalkeeper throws the ball to a player on the right",
    "There is snow on the mountains and the sun is going down",
    "An old woman is reading a newspaper on the bench",
)
HELD_OUT_PLAIN = (
    "A yellow bus waits at the traffic light next to the bank",
    "The boy kicks the ball over the wall and runs after it",
    "Three people are sitting at the table and eating dinner",
    "The horse jumps over the water and lands on the grass",
    "A police officer is talking to the driver of the truck",
    "The lights go out and the audience becomes quiet",
    "He writes his name on the board and turns around",
    "A small plane flies over the lake towards the city",
)
# (written with marks, written plainly, the words that are to be heard)
MARKED = (
    (
        "**Goal!** The home team is leading 2–1 ⚽",
        "Goal! The home team is leading two to one.",
        "goal the home team is leading two to one",
    ),
    (
        "After 67:12 the score is still 1-0.",
        "After sixty seven minutes twelve the score is still one to zero.",
        "after sixty seven minutes twelve the score is still one to zero",
    ),
    (
        "- No. 9 takes the ball *away* from No. 4",
        "Number nine takes the ball away from number four.",
        "number nine takes the ball away from number four",
    ),
    (
        "## Corner\nThe red team vs. the blue team",
        "Corner. The red team versus the blue team.",
        "corner the red team versus the blue team",
    ),
    (
        "The shot came from 25 m at 90 km/h.",
        "The shot came from twenty five meters at ninety kilometers an hour.",
        "the shot came from twenty five meters at ninety kilometers an hour",
    ),
    (
        "There are 5 min. left and it is `3:2` now",
        "There are five minutes left and it is three to two now.",
        "there are five minutes left and it is three to two now",
    ),
    (
        "The player cost £20m, see [the report](https://example.org/a).",
        "The player cost twenty million pounds, see the report.",
        "the player cost twenty million pounds see the report",
    ),
    (
        "**Yellow card** for #10 in the 45+2nd minute",
        "Yellow card for number ten in the forty five plus second minute.",
        "yellow card for number ten in the forty five plus second minute",
    ),
    (
        "About 70% of the time the *white* side has the ball 🔥🔥",
        "About seventy percent of the time the white side has the ball.",
        "about seventy percent of the time the white side has the ball",
    ),
    (
        "He runs & jumps, e.g. over the wall",
        "He runs and jumps, for example over the wall.",
        "he runs and jumps for example over the wall",
    ),
)
HELD_OUT_MARKED = (
    (
        "It is **3–0** and 10,000 people are singing 🎉",
        "It is three to zero and ten thousand people are singing.",
        "it is three to zero and ten thousand people are singing",
    ),
    (
        "> 12:05 on the clock, no goals yet",
        "Twelve minutes five on the clock, no goals yet.",
        "twelve minutes five on the clock no goals yet",
    ),
    (
        "* #7 runs approx. 30 yds with the ball",
        "Number seven runs about thirty yards with the ball.",
        "number seven runs about thirty yards with the ball",
    ),
    (
        "The *green* team vs the white team, 5 v 5",
        "The green team versus the white team, five versus five.",
        "the green team versus the white team five versus five",
    ),
    (
        "A ticket costs $15 and the pitch is 100 m long",
        "A ticket costs fifteen dollars and the pitch is one hundred meters long.",
        "a ticket costs fifteen dollars and the pitch is one hundred meters long",
    ),
    (
        "### Half time\nThe score is 1:1",
        "Half time. The score is one to one.",
        "half time the score is one to one",
    ),
)
