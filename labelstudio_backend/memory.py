"""What answers depend on besides the request: what was typed in its project, what it taught."""

from __future__ import annotations

from dataclasses import dataclass, field

from labelstudio_backend.lessons import KeptLessons, Lessons, NoLessons
from labelstudio_backend.projects import Projects
from labelstudio_backend.remembered import RememberedProjects
from labelstudio_backend.settings import Settings


@dataclass(frozen=True, slots=True)
class Memory:
    """Without folders nothing outlives the process."""

    projects: Projects = field(default_factory=Projects)
    lessons: Lessons = field(default_factory=NoLessons)


def memory_of(settings: Settings) -> Memory:
    """What is kept of the projects of the server that the settings name."""
    if settings.data is None:
        return Memory()
    server = settings.label_studio_url
    return Memory(
        Projects(RememberedProjects(settings.data / "projects", server)),
        KeptLessons(settings.data, server),
    )
