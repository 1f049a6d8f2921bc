"""The candidate measured, published and promoted: the one moment at which the alias moves.

After a crash the same steps find what they did before: a version that carries the batch's name is
finished rather than made again, and one that serves is left alone.
"""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from recsys_unlearn import durable
from recsys_unlearn.audit.report import AuditReport
from recsys_unlearn.errors import VerificationFailed, VersionError
from recsys_unlearn.interactions.contract import Splits
from recsys_unlearn.interactions.store import InteractionStore
from recsys_unlearn.tracking.registry import Registry
from recsys_unlearn.tracking.runs import Run
from recsys_unlearn.tracking.versions import DIGEST_TAG, Version
from recsys_unlearn.workflows.deletion.batch import Batch
from recsys_unlearn.workflows.deletion.candidate import Candidate
from recsys_unlearn.workflows.evidence import Evidence, gather
from recsys_unlearn.workflows.lineage import Origin, record
from recsys_unlearn.workflows.stopwatch import Stopwatch
from recsys_unlearn.workflows.version_files import STORE_TAG, Files, Opened
from recsys_unlearn.workspace import Workspace

BATCH_TAG, FINGERPRINT_TAG = "request_id", "deletion_fingerprint"
EVIDENCE = "evidence.json"


class Service:
    """Brings one batch's candidate into service.

    Parameters
    ----------
    splits
        Of the store, without the forget set.
    """

    def __init__(
        self, workspace: Workspace, registry: Registry, batch: Batch, splits: Splits, clock: Stopwatch
    ) -> None:
        self.workspace, self.registry, self.batch = workspace, registry, batch
        self.store: InteractionStore = workspace.store()
        self.splits, self.clock = splits, clock

    def begin(self, candidate: Candidate, parent: Opened) -> dict[str, Any]:
        """Audit, publish, record, promote; return the particulars for the ledger.

        Raises
        ------
        VerificationFailed
            If the audit fails: nothing was published, and the champion serves on.
        """
        version = self._version(candidate)
        if version is None or "champion" not in version.aliases:
            version = self._published(candidate, parent, version)
            record(self.workspace, version, self.store, self._origin(candidate))
            with self.clock.part("publish"):
                self.registry.promote(version.number)
        found = json.loads((self.batch.directory / EVIDENCE).read_bytes())
        return _impersonal(found) | {
            "version": version.number,
            "parent_version": candidate.parent,
            "before": digests(parent.version),
            "after": digests(version),
        }

    def _version(self, candidate: Candidate) -> Version | None:
        """Return the version that was made of this candidate before, if one was."""
        if not self.batch.resumed:
            return None
        wanted = (self.batch.name, candidate.made_by["method"], candidate.parent)
        for each in self.registry.versions():
            if (each.tags.get(BATCH_TAG), each.tags.get("method"), each.parent) == wanted:
                return each
        self.registry.tracker.end_unfinished(BATCH_TAG, self.batch.name)
        return None

    def _published(self, candidate: Candidate, parent: Opened, version: Version | None) -> Version:
        with self._run(candidate, version) as run:
            self._measured(candidate, parent, run)
            if version is None:
                version = self._publish(candidate, parent, run)
            run.metrics(self._counts())
        return self.registry.version(version.number)

    def _run(self, candidate: Candidate, version: Version | None) -> AbstractContextManager[Run]:
        tracker, made_by = self.registry.tracker, candidate.made_by
        if version is not None:  # killed between its registration and the end of its run
            return tracker.reopened(version.run_id, "forget", version.directory.parent.parent.name)
        return tracker.run(
            f"forget {self.batch.name}",
            "forget",
            {**self._tags(candidate), "requests": str(len(self.batch.requests))},
            made_by["parameters"],
        )

    def _measured(self, candidate: Candidate, parent: Opened, run: Run) -> None:
        """Audit against the parent, unless it was asked not to; what is found is kept first."""
        evidence = None
        if self.batch.terms.verify:
            with self.clock.part("audit"):
                before, after = parent.recommender(), _files(candidate).recommender()
                evidence = gather(before, after, self.splits, self.batch.plan)
                run.metrics(evidence.metrics(parent.version.metrics))
                evidence.draw(run)
        self._keep(evidence)
        if evidence and evidence.verdict and not _may_serve(candidate, evidence.verdict):
            raise VerificationFailed(_refusal(parent.version, evidence.verdict))

    def _keep(self, evidence: Evidence | None) -> None:
        found: Mapping[str, Any] = {"utility": {}, "audit": {}}
        if evidence:
            found = {"utility": evidence.utility(), "audit": evidence.as_dict()}
        durable.write_json(self.batch.directory / EVIDENCE, found)

    def _publish(self, candidate: Candidate, parent: Opened, run: Run) -> Version:
        store, key = self.store, self.workspace.key()
        run.dataset(key.data(store.digest), store.n_users, store.n_items, len(self.splits.train))
        with self.clock.part("publish"):
            return self.registry.publish(
                _files(candidate).directory, run, parent=parent.version.number, tags=self._tags(candidate)
            )

    def _tags(self, candidate: Candidate) -> dict[str, str]:
        return {
            STORE_TAG: self.store.store_id,
            FINGERPRINT_TAG: self.workspace.key().data(self.batch.plan.fingerprint),
            BATCH_TAG: self.batch.name,
            "method": candidate.made_by["method"],
            "guarantee": candidate.made_by["guarantee"],
        }

    def _origin(self, candidate: Candidate) -> Origin:
        return Origin(candidate.from_scratch, self.batch.name, len(self.batch.plan.train))

    def _counts(self) -> dict[str, float]:
        plan = self.batch.plan
        counts = {"deleted/users": len(plan.accounts), "deleted/interactions": len(plan.pairs)}
        return counts | {f"seconds/{part}": value for part, value in self.clock.seconds().items()}


def _files(candidate: Candidate) -> Files:
    if candidate.files is None:
        raise VersionError("there is no candidate to serve; please report this as a bug")
    return candidate.files


def _may_serve(candidate: Candidate, found: AuditReport) -> bool:
    """Whether the audit lets it serve.

    A version that is what a training without the forgotten gives cannot remember them: what an audit
    finds of it is how its cohort differs from the strangers.
    """
    return found.passed or candidate.made_by["guarantee"] == "exact"


def digests(version: Version) -> dict[str, Any]:
    """Number of a version and the hash of its files, for the receipt."""
    return {"version": version.number, "files_sha256": version.tags.get(DIGEST_TAG)}


def _impersonal(found: dict[str, Any]) -> dict[str, Any]:
    """Take rows of users out of what the ledger will keep for good: their number does as well."""
    audit = dict(found["audit"])
    if "near_duplicates" in audit:
        audit["near_duplicates"] = len(audit["near_duplicates"])
    return found | {"audit": audit}


def _refusal(parent: Version, found: AuditReport) -> str:
    auc = found.adjusted_auc
    return (
        f"the audit found the users {found.verdict} (membership AUC {auc.value:.3f}, 95 % interval "
        f"{auc.low:.3f} to {auc.high:.3f}). Their data is erased, no new version was made, and "
        f"version {parent.number} still serves. Run `recsys-unlearn resume --method retrain`"
    )
