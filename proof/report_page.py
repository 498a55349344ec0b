"""The page of a label report: one file of HTML that needs nothing else."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment

from ..core.sentences import count, whole_percent

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Labels of {{ dataset }}</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 900px; margin: 32px auto; color: #222;
         padding: 0 16px }
  h1 { font-size: 24px; margin-bottom: 0 } h2 { font-size: 18px; margin: 32px 0 8px }
  h3 { font-size: 15px; margin: 16px 0 4px }
  table { border-collapse: collapse } th, td { text-align: left; padding: 3px 16px 3px 0;
         border-bottom: 1px solid #ddd; vertical-align: top }
  .faint { color: #777 } .said { font-size: 17px } figure { display: inline-block; margin: 0 12px
         12px 0; width: 204px; vertical-align: top } figure img { width: 204px;
         height: 150px; object-fit: contain; background: #f6f6f6 } figcaption { font-size: 12px;
         color: #555; overflow-wrap: anywhere }
  svg { background: #f6f6f6; width: 420px; height: 420px } summary { cursor: pointer }
</style>
<h1>Labels of {{ dataset }}</h1>
<p class="faint">Field {{ field }}, visualization {{ visualization }}, {{ "{:,}".format(samples) }}
samples. Made {{ made }} UTC by {{ by }}.{% if only %} {{ only }}{% endif %}</p>

<h2>How many labels are wrong</h2>
{% for audit in audits %}
<p class="said">{{ audit.sentence }}</p>
<p class="faint">Started {{ audit.begun }} UTC by {{ audit.by }}; answers by
{% for name, number in audit.reviewers.items() %}{{ name }} ({{ number }}){{ ", " if not loop.last
}}{% else %}nobody yet{% endfor %}.{% if audit.target is none %} If 5% of the answers are wrong:
{{ audit["if 5 % of the answers are wrong"] }}.{% endif %} Reviewers' answers are taken as the
truth, and the figures are for the labels as they were then.</p>
{% if audit.classes %}<table><tr><th>Class<th>Answers<th>Wrong<th>Interval</tr>
{% for one in audit.classes %}<tr><td>{{ one.label }}<td>{{ one.answers }} of
{{ "{:,}".format(one.labels) }}<td>{{ "{:.1%}".format(one.estimate / one.labels) }}
<td>{{ "{:.1%}".format(one.low / one.labels) }} to {{ "{:.1%}".format(one.high / one.labels) }}</tr>
{% endfor %}</table><p class="faint">All of these intervals at once hold with
{{ "{:g}%".format(100 * audit.confidence) }}.</p>{% endif %}
{% if audit.proven %}<table><tr><th>Class<th>Answers<th>Wrong<th>Proven</tr>
{% for one in audit.proven %}<tr><td>{{ one.label or "no class" }}<td>{{ one.answers }}
<td>{{ one.wrong }}<td>{{ "{:,} of {:,}".format(one.proven, one.labels) if one.proven else
"nothing yet" }}</tr>{% endfor %}</table>{% endif %}
{% if audit.agreements %}<h3>How far reviewers agree</h3>
<table><tr><th>Reviewers<th>Labels<th>Same answer<th>Cohen's kappa</tr>
{% for one in audit.agreements %}<tr><td>{% if one.first == one.second %}{{ one.first }}, asked
again later{% else %}{{ one.first }} and {{ one.second }}{% endif %}<td>{{ one.labels }}
<td>{{ one.same }} ({{ "{:.1%}".format(one.share) }})<td>{{ "not defined" if one.kappa is none else
"{:.2f}".format(one.kappa) }}</tr>{% endfor %}</table>
{% for one in audit.agreements if one.first == one.second %}<p class="faint">{{ one.first }} is the
same person, so habits that are wrong do not show.</p>{% endfor %}
{% if audit["if two err"] %}<p>{{ audit["if two err"] }}</p>{% endif %}{% endif %}
{% else %}<p>No audit was started, so this is not known.</p>{% endfor %}

{% if progress and progress.found > progress.left %}<h2>Approved</h2>
<p>{{ "{:,}".format(progress.found) }} labels: {{ "{:,}".format(progress.approved) }} approved,
{{ "{:,}".format(progress.flagged) }} flagged, {{ "{:,}".format(progress.rejected) }} rejected,
{{ "{:,}".format(progress.left) }} left.</p>
{% if progress.rounds %}<table><tr><th>When<th>By<th>Into<th>Labels<th>Proof</tr>
{% for round in progress.rounds %}<tr><td>{{ round.at }}<td>{{ round.by }}<td>{{ round.into }}
<td>{{ "{:,}".format(round.approved) }}<td>{{ round.proof or "none" }}</tr>{% endfor %}</table>
{% endif %}{% endif %}

{% if runs %}<h2>Models</h2>
<table><tr><th>Run<th>Model<th>Field<th>State</tr>{% for run in runs %}<tr><td>{{ run.name }}
<td>{{ run.model }}<td>{{ run.field }}<td>{{ run.state|replace("_", " ") }}</tr>{% endfor %}
</table>{% endif %}

{% macro counts(title, numbers) %}{% if numbers %}<h2>{{ title }}</h2><table>
{% for name, number in numbers.items() %}<tr><td>{{ name }}<td>{{ "{:,}".format(number) }}</tr>
{% endfor %}</table>{% endif %}{% endmacro %}
{% macro where(one) %}{{ one.place or one.file or one.id }}{% endmacro %}
{% macro suspected(labels) %}{% for one in labels %}<figure>{% if one.image %}
<img src="{{ one.image }}" alt="">{% endif %}<figcaption>{{ one.label }}
{% if one.suggested and one.issue == "mislabeled" %} &rarr; {{ one.suggested }}?{% endif %}<br>
{% if one.issue %}{{ one.issue }}, {% endif %}{{ whole_percent(one.suspicion) }}<br>
{% if one.reason %}{{ one.reason }}<br>{% endif %}<span class="faint">{{ where(one) }}
{% if one.box %}<br>box {% for side in one.box %}{{ "%.3f"|format(side) }}
{{- ", " if not loop.last }}{% endfor %}{% endif %}</span></figcaption></figure>
{% endfor %}{% endmacro %}
{{ counts("Suspected", issues) }}
{% if suspects %}<h2>The most suspicious labels that are left</h2>
<p>{{ expected }}</p>{{ suspected(suspects) }}{% endif %}
{% if missed %}<h2>Objects that may have no label</h2>
<p>{{ missed_sentence }}</p>{{ suspected(missed) }}{% endif %}
{{ counts("Answers", verdicts) }}
{{ counts("Who answered", reviewers) }}

{% if confusions %}<h2>Classes that were corrected</h2>
<table><tr><th>From<th>To<th>Labels</tr>{% for one in confusions %}<tr><td>{{ one.from }}
<td>{{ one.to }}<td>{{ one.labels }}</tr>{% endfor %}</table>{% endif %}

{% if examples %}<h2>Labels that were wrong</h2>
{% for one in examples %}<figure>{% if one.image %}<img src="{{ one.image }}" alt="">{% endif %}
<figcaption>{% if one.verdict == "wrong class" %}{{ one.before }} &rarr; {{ one.label }}
{% else %}{{ one.label }}: {{ one.verdict }}{% endif %}<br>{{ one.by }}<br>
<span class="faint">{{ where(one) }}</span></figcaption></figure>{% endfor %}{% endif %}

{% if map %}<h2>The map</h2>
<svg viewBox="-0.02 -0.02 1.04 1.04" role="img" aria-label="The labels on the map">
{% for x, y in map %}<circle cx="{{ x }}" cy="{{ 1 - y }}" r="0.004" fill="#3366bb"
fill-opacity="0.6"/>{% endfor %}</svg>{% endif %}

{% if answers %}<h2>The answers</h2>
<details><summary>{{ count(answers|length, "label that was", "labels that were") }} answered
for</summary>
<table><tr><th>Label<th>Class<th>Answer<th>By<th>When</tr>{% for one in answers %}<tr>
<td>{{ where(one) }}<td>{{ one.label }}<td>{{ one.verdict }}{% if one.before %}, was
{{ one.before }}{% endif %}<td>{{ one.by }}<td>{{ one.at }}</tr>{% endfor %}</table></details>
{% endif %}
</html>
"""


def render(report: dict[str, Any]) -> str:
    """Returns the page of a report; whatever the names in it hold, it is text."""
    return (
        Environment(autoescape=True)
        .from_string(_PAGE)
        .render(**report, whole_percent=whole_percent, count=count)
    )
