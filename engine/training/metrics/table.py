"""One table of results, for Markdown."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape


@dataclass(frozen=True)
class Table:
    """A section's outcome in words. rows: cells of equal count as `header`."""

    title: str
    header: list[str]
    rows: list[list[str]]
    remarks: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        lines = [f"## {self.title}", "", _row(self.header), _row(["---"] * len(self.header))]
        lines += [_row(row) for row in self.rows]
        return "\n".join([*lines, "", *(f"- {remark}" for remark in self.remarks), ""])

    def html(self) -> str:
        """The table as HTML, everything escaped."""
        head = "".join(f"<th>{escape(cell)}</th>" for cell in self.header)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in self.rows)
        notes = "".join(f"<li>{escape(remark)}</li>" for remark in self.remarks)
        grid = f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>" if self.rows else ""
        return f"<h2>{escape(self.title)}</h2>\n<div class=wide>{grid}</div>\n<ul>{notes}</ul>"


def beside(tables: dict[str, Table]) -> Table:
    """Tables of one section as one, a line for each bundle's name under each row; remarks that differ are named."""
    first = next(iter(tables.values()))
    named = {(row[0], name): row for name, table in tables.items() for row in table.rows}
    labels = list(dict.fromkeys(row[0] for table in tables.values() for row in table.rows))
    rows = [[label, name, *named[label, name][1:]] for label in labels for name in tables if (label, name) in named]
    remarks = [remark for remark in first.remarks if all(remark in table.remarks for table in tables.values())]
    for name, table in tables.items():
        remarks += [f"{name}: {remark}" for remark in table.remarks if remark not in remarks]
    return Table(first.title, [first.header[0], "bundle", *first.header[1:]], rows, remarks)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"
