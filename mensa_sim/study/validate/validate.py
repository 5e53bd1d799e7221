"""Predicted against measured silicon: rows with errors, and the constants that were fitted on such rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mensa_sim.errors import MensaError
from mensa_sim.io.progress import Progress, silent
from mensa_sim.study.calibrate.rule import may_be_fitted
from mensa_sim.study.validate.file import Measurement, read_measurements
from mensa_sim.study.validate.predict import Predictor
from mensa_sim.study.validate.score import Score, error_percent, score

SHIPPED_MEASUREMENTS = Path(__file__).with_name("published.csv")
"""The vendor's public table and single published facts of Eyeriss, each row with its source."""
MAX_PERCENT = 1e9
"""A choice: beyond this error, prediction and measurement are not of one thing, and a mean over them says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationRow:
    """One measurement beside its prediction."""

    measurement: Measurement
    predicted: float

    @property
    def error_percent(self) -> float:
        """Signed, in percent of the measured value."""
        return error_percent(self.predicted, self.measurement.measured)

    @property
    def may_be_fitted(self) -> bool:
        """Whether constants may have been fitted on this row; the others test them."""
        return may_be_fitted(self.measurement.workload, self.measurement.system, self.measurement.metric)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A measurement without a prediction, and why."""

    measurement: Measurement
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """All rows of a validation, in the order of the measurements."""

    rows: tuple[ValidationRow, ...]
    failures: tuple[Failure, ...] = ()

    @property
    def groups(self) -> Mapping[tuple[str, str], Score]:
        """The score of each system and metric, in order of first appearance."""
        return {
            key: _score(row for row in self.rows if _group(row) == key) for key in dict.fromkeys(map(_group, self.rows))
        }

    @property
    def overall(self) -> Score | None:
        """All rows together, as `_pooled` scores rows of several metrics."""
        return _pooled(self.rows)

    def split(self, *, fitted: bool) -> Score | None:
        """The rows that constants may have been fitted on, or the others."""
        return _pooled([row for row in self.rows if row.may_be_fitted == fitted])


def _group(row: ValidationRow) -> tuple[str, str]:
    return row.measurement.system, row.measurement.metric


def _score(rows: Iterable[ValidationRow]) -> Score:
    return score([(row.predicted, row.measurement.measured) for row in rows])


def _pooled(rows: Sequence[ValidationRow]) -> Score | None:
    """Rows of any metrics; the rank correlation is the mean of those within each metric, weighted by their rows."""
    if not rows:
        return None
    whole = _score(rows)
    metrics = dict.fromkeys(row.measurement.metric for row in rows)
    each = [_score(row for row in rows if row.measurement.metric == metric) for metric in metrics]
    ranked = [(part.rows, part.spearman) for part in each if part.spearman is not None]
    counted = sum(count for count, _ in ranked)
    return Score(
        rows=whole.rows,
        mean_percent=whole.mean_percent,
        max_percent=whole.max_percent,
        spearman=sum(count * value for count, value in ranked) / counted if counted else None,
    )


def validate(
    measurements: Sequence[Measurement],
    *,
    allow_code: bool = False,
    cache: bool = True,
    progress: Progress = silent,
) -> Validation:
    """Predict every measurement; one that the model refuses is a failure with its reason, never a number."""
    predictor = Predictor(allow_code=allow_code, cache=cache)
    rows: list[ValidationRow] = []
    failures: list[Failure] = []
    for count, each in enumerate(measurements, start=1):
        try:
            predicted = predictor.predict(each.workload_path, each.system_path, each.metric)
            row = ValidationRow(measurement=each, predicted=predicted)
            if abs(row.error_percent) > MAX_PERCENT:
                raise MensaError(
                    f"measured {each.measured:g}, predicted {predicted:g}: no error in percent compares them"
                )
            rows.append(row)
        except MensaError as error:
            failures.append(Failure(measurement=each, reason=str(error)))
        progress(count, len(measurements), each.workload)
    return Validation(rows=tuple(rows), failures=tuple(failures))


def shipped_measurements() -> tuple[Measurement, ...]:
    """What the project ships: public tables and facts."""
    return read_measurements(SHIPPED_MEASUREMENTS)
