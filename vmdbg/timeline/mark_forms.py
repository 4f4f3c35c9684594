"""How users name instants: see vmdbg.timeline.marks."""

FORMS = 'a tick (4.5G, 1200+1), start, end, 37%, "text", exception:14, exception#2, hit:ADDRESS#3 or a bookmark'
