"""A file's text to positioned documents; a mistake becomes a diagnostic and leaves the others alone."""

from collections.abc import Iterator

from anygate.diagnostics import Diagnostic, Related, Report, SourceFile
from anygate.manifests.chunk_cache import ChunkCache
from anygate.manifests.chunks import Chunk, split_chunks
from anygate.manifests.compose import ChunkResult, compose_chunk
from anygate.manifests.lost import Lost
from anygate.manifests.scalars import Scalar
from anygate.manifests.syntax import Problem
from anygate.manifests.syntax_rules import ALIAS_LIMIT, FILE_TOO_LARGE
from anygate.manifests.tree import Tree

SIZE_LIMIT = 50 * 1024 * 1024
EXPANSION_LIMIT = 5_000_000
"""Nodes that aliases may add to one file."""


def parse_documents(
    file: SourceFile,
    report: Report,
    cache: ChunkCache | None = None,
    lost: Lost | None = None,
    chunks: dict[str, ChunkResult] | None = None,
) -> Iterator[Tree]:
    """Yield the documents of a file in order; those with mistakes are reported and left out, to be found in `lost`.

    The results of the file's chunks are added to `chunks`.
    """
    if len(file.text) > SIZE_LIMIT:
        report.add(FILE_TOO_LARGE, f"file is larger than {SIZE_LIMIT // 2**20} MB", file.span(0, 0))
        return
    compose = cache.compose if cache is not None else compose_chunk
    memory: dict[str, Scalar] = {}
    expanded = 0
    for chunk in split_chunks(file.name, file.text):
        result = compose(chunk.text, memory)
        if chunks is not None:
            chunks[chunk.text] = result
        for problem in result.problems:
            _report_problem(file, chunk, problem, report)
        expanded += result.expanded
        if expanded > EXPANSION_LIMIT:
            where = file.span(chunk.offset, chunk.offset)
            report.add(ALIAS_LIMIT, f"aliases expand to more than {EXPANSION_LIMIT} values", where)
            return
        if lost is not None:
            for refused in result.refused:
                lost.add_document(Tree(refused.value, file, chunk.offset, refused.slots))
            if result.unparsed:
                lost.add_text(chunk.text, file, chunk.offset)
        for document in result.documents:
            yield Tree(document.value, file, chunk.offset, document.slots)


def _report_problem(file: SourceFile, chunk: Chunk, problem: Problem, report: Report) -> Diagnostic:
    start, end = chunk.offset + problem.start, chunk.offset + problem.end
    related = []
    if problem.related:
        message, first, last = problem.related
        related.append(Related(message, file.span(chunk.offset + first, chunk.offset + last)))
    return report.add(problem.rule, problem.message, file.span(start, end), hint=problem.hint, related=related)
