from __future__ import annotations

import re

from flows.eval_page import page


def test_a_report_becomes_one_page() -> None:
    html = page("# A <b>\n\nwords\n\n| m | CD |\n|---|---|\n| x | - |\n| *p* | *2* |\n")
    assert "<h1>A &lt;b&gt;</h1>" in html
    assert "<tr><th>m</th><th>CD</th></tr><tr><td>x</td><td>-</td></tr>" in html
    assert "<td><i>p</i></td>" in html
    assert not re.search(r"(src|href)=\"(https?:)?//", html)
