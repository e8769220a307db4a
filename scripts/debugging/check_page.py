#!/usr/bin/python3
"""Checks that a page of `socklb report` is well formed and needs nothing from elsewhere.

usage: check_page.py FILE.html
"""
import html.parser
import sys

VOID = {"meta", "input", "br", "img", "link", "hr", "rect", "path"}
# Their end may be left out where the next one begins.
OPTIONAL = {"option", "li", "p"}


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.problems = []
        self.open = []
        self.count = {}

    def complain(self, text):
        self.problems.append(f"line {self.getpos()[0]}: {text}")

    def handle_starttag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1
        names = [name for name, _ in attributes]
        if len(names) != len(set(names)):
            self.complain(f"<{tag}> has an attribute twice")
        for name, value in attributes:
            if name.startswith("on") or name in ("src", "href", "action", "xlink:href"):
                self.complain(f"<{tag} {name}={value}>")
        if self.open and self.open[-1] == tag == "option":
            self.open.pop()
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        while self.open and self.open[-1] != tag and self.open[-1] in OPTIONAL:
            self.open.pop()
        if not self.open or self.open[-1] != tag:
            self.complain(f"</{tag}> inside of {self.open[-3:]}")
            return
        self.open.pop()


def main():
    text = open(sys.argv[1], encoding="utf-8").read()
    page = Page()
    page.feed(text)
    page.close()
    if page.open:
        page.problems.append(f"not ended: {page.open}")
    if page.count.get("script") != 1 or page.count.get("style") != 1:
        page.problems.append(f"scripts and styles: {page.count}")
    for word in ("http:", "https:", "@import", "url("):
        if word in text:
            page.problems.append(f"it has {word}")
    for word in ('id="health"', 'id="services"', 'id="latency"', 'id="history"'):
        if word not in text:
            page.problems.append(f"it lacks {word}")
    name = "a page is well formed and needs nothing from elsewhere"
    print(f"FAIL {name}" if page.problems else f"ok {name}")
    for problem in page.problems[:20]:
        print(f"    {problem}")
    sys.exit(1 if page.problems else 0)


if __name__ == "__main__":
    main()
