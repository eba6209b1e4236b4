"""The managers of a back end whose sessions a session service keeps. Needs the extra `remote`."""

from .manager import AsyncRemoteSessionManager, RemoteSessionManager

__all__ = ["AsyncRemoteSessionManager", "RemoteSessionManager"]
