"""Parts of a Grafana dashboard: panels, rows that lay them out, variables. Knows nothing of loadhost."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
GREEN, YELLOW, RED, BLUE, GREY = "green", "#EAB839", "red", "blue", "#8e8e8e"
#: Of the whole width.
COLUMNS = 24


def query(expr: str, legend: str = "", **more: Any) -> Json:
    return {"datasource": DATASOURCE, "editorMode": "code", "expr": expr, "legendFormat": legend or "__auto", "range": True, **more}


def now(expr: str, legend: str = "") -> Json:
    """Only the newest value."""
    return query(expr, legend, range=False, instant=True)


def steps(*steps: tuple[float | None, str]) -> Json:
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}


def above(warning: float | None, critical: float) -> Json:
    """Green, then yellow, then red."""
    middle = [] if warning is None else [(warning, YELLOW)]
    return steps((None, GREEN), *middle, (critical, RED))


def below(critical: float, good: float) -> Json:
    """Red, then yellow, then green."""
    return steps((None, RED), (critical, YELLOW), (good, GREEN))


PLAIN = steps((None, BLUE))


def words(**meanings: tuple[str, str]) -> list[Json]:
    """What values mean, and their colours: `v0=("stands by", GREY)`."""
    return [{"type": "value", "options": {name[1:]: {"text": text, "color": color, "index": index}
                                          for index, (name, (text, color)) in enumerate(meanings.items())}}]


def colored(name: str, color: str, **more: Any) -> Json:
    """A series that looks its part."""
    properties = [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}]
    properties += [{"id": f"custom.{key}", "value": value} for key, value in more.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": properties}


DASHED = {"lineStyle": {"fill": "dash", "dash": [8, 6]}, "fillOpacity": 0}


def panel(kind: str, title: str, description: str, targets: list[Json], width: int, height: int, defaults: Json, options: Json,
          overrides: list[Json] | None = None, transformations: list[Json] | None = None) -> Json:
    made: Json = {
        "type": kind, "title": title, "description": description, "datasource": DATASOURCE,
        "gridPos": {"w": width, "h": height},
        "targets": [{**target, "refId": chr(ord("A") + index)} for index, target in enumerate(targets)],
        "fieldConfig": {"defaults": defaults, "overrides": overrides or []},
        "options": options,
    }
    if transformations:
        made["transformations"] = transformations
    return made


def stat(title: str, description: str, targets: list[Json], width: int, unit: str = "short", thresholds: Json = PLAIN,
         text: str = "auto", mappings: list[Json] | None = None, decimals: int | None = None) -> Json:
    defaults: Json = {"unit": unit, "thresholds": thresholds, "mappings": mappings or [], "color": {"mode": "thresholds"}, "noValue": "–"}
    if decimals is not None:
        defaults["decimals"] = decimals
    options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value", "graphMode": "area",
               "justifyMode": "center", "orientation": "vertical", "textMode": text}
    return panel("stat", title, description, targets, width, 4, defaults, options)


def lines(title: str, description: str, targets: list[Json], width: int, unit: str = "short", line: float | None = None, stacked: bool = False,
          overrides: list[Json] | None = None, top: float | None = None, step: bool = False) -> Json:
    """Over time; `line` is the value that is alerted on."""
    custom = {
        "drawStyle": "line", "lineInterpolation": "stepAfter" if step else "linear", "lineWidth": 1, "fillOpacity": 30 if stacked else 8,
        "showPoints": "never", "spanNulls": False, "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "off" if line is None else "dashed"}, "axisSoftMin": 0,
    }
    thresholds = steps((None, "transparent"), (line, RED)) if line is not None else steps((None, GREEN))
    defaults: Json = {"unit": unit, "min": 0, "custom": custom, "color": {"mode": "palette-classic"}, "thresholds": thresholds}
    if top is not None:
        defaults["max"] = top
    options = {"legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "mean", "max"]},
               "tooltip": {"mode": "multi", "sort": "desc"}}
    return panel("timeseries", title, description, targets, width, 8, defaults, options, overrides)


def states(title: str, description: str, targets: list[Json], width: int, mappings: list[Json]) -> Json:
    """Bars of words over time, one for each series."""
    defaults: Json = {"unit": "short", "custom": {"fillOpacity": 80, "lineWidth": 0}, "mappings": mappings, "color": {"mode": "thresholds"},
                      "thresholds": steps((None, GREY))}
    options = {"showValue": "auto", "rowHeight": 0.85, "mergeValues": True, "alignValue": "left",
               "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}, "tooltip": {"mode": "single", "sort": "none"}}
    return panel("state-timeline", title, description, targets, width, 8, defaults, options)


def heatmap(title: str, description: str, expr: str, width: int, unit: str) -> Json:
    """Of a histogram's buckets."""
    options = {"calculate": False, "cellGap": 1, "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5, "fill": "dark-orange", "reverse": False},
               "yAxis": {"unit": unit, "axisPlacement": "left"}, "rowsFrame": {"layout": "auto"}, "legend": {"show": True},
               "tooltip": {"mode": "single", "showColorScale": True}}
    return panel("heatmap", title, description, [query(expr, "{{le}}", format="heatmap")], width, 8, {"unit": "short"}, options)


def table(title: str, description: str, columns: list[tuple[str, str, str]], by: list[str], width: int, hidden: tuple[str, ...] = ()) -> Json:
    """Rows of the newest values: columns of name, unit and expression, joined over the labels `by`."""
    targets = [{**now(expr), "format": "table"} for _, _, expr in columns]
    letters = [chr(ord("A") + index) for index in range(len(columns))]
    value = (lambda letter: f"Value #{letter}") if len(columns) > 1 else (lambda _letter: "Value")
    overrides = [{"matcher": {"id": "byName", "options": name}, "properties": [{"id": "unit", "value": unit}]} for name, unit, _ in columns]
    names = {value(letter): name for letter, (name, _, _) in zip(letters, columns)}
    order = {name: index for index, name in enumerate([*by, *names])}
    organize = {"id": "organize", "options": {"renameByName": names, "indexByName": order,
                                              "excludeByName": {"Time": True, **{name: True for name in hidden}}}}
    transformations = [{"id": "merge", "options": {}}, organize] if len(columns) > 1 else [organize]
    options = {"showHeader": True, "cellHeight": "sm"}
    return panel("table", title, description, targets, width, 8, {"unit": "short", "custom": {"align": "auto", "filterable": True}}, options,
                 overrides, transformations)


def laid_out(rows: list[tuple[str, list[Json]]]) -> list[Json]:
    """Each row a heading and its panels from left to right, in as many lines as they need; all numbered."""
    placed: list[Json] = []
    y = 0
    for title, panels in rows:
        placed.append({"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1}})
        y, x, deepest = y + 1, 0, 0
        for one in panels:
            size = one["gridPos"]
            if x + size["w"] > COLUMNS:
                y, x, deepest = y + deepest, 0, 0
            placed.append({**one, "gridPos": {"x": x, "y": y, **size}})
            x, deepest = x + size["w"], max(deepest, size["h"])
        y += deepest
    return [{"id": number, **one} for number, one in enumerate(placed, start=1)]


def datasource() -> Json:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0}


def choice(name: str, label: str, definition: str, several: bool = False) -> Json:
    """A variable of a label's values."""
    made: Json = {"name": name, "label": label, "type": "query", "datasource": DATASOURCE, "definition": definition,
                  "query": {"query": definition, "refId": f"{name}-values"}, "refresh": 2, "sort": 1, "hide": 0, "multi": several,
                  "includeAll": several}
    if several:
        made |= {"allValue": ".+", "current": {"text": ["All"], "value": ["$__all"]}}
    return made


def events(name: str, color: str, expr: str, title: str, text: str) -> Json:
    """Marks on all panels."""
    return {"name": name, "datasource": DATASOURCE, "enable": True, "iconColor": color, "expr": expr, "step": "15s", "titleFormat": title,
            "textFormat": text, "tagKeys": ""}


def dashboard(uid: str, title: str, description: str, variables: list[Json], marks: list[Json], rows: list[tuple[str, list[Json]]], tag: str) -> Json:
    return {
        "uid": uid, "title": title, "description": description, "tags": [tag], "schemaVersion": 39, "version": 1, "editable": True,
        "graphTooltip": 1, "refresh": "10s", "time": {"from": "now-30m", "to": "now"}, "timezone": "browser", "fiscalYearStartMonth": 0,
        "links": [{"type": "dashboards", "title": tag, "tags": [tag], "asDropdown": False, "includeVars": False, "keepTime": True,
                   "targetBlank": False, "icon": "external link", "tooltip": "", "url": ""}],
        "annotations": {"list": marks}, "templating": {"list": variables}, "panels": laid_out(rows),
    }
