"""The one error type that users see, its codes, and the exit code each of them stands for.

A code never changes its meaning. Its first digit tells the exit code: ``SB1..`` and ``SB2..`` are usage,
configuration and project errors (2), ``SB3..`` is incomplete state (3), ``SB4..`` is a failed refresh (4), ``SB5..``
is a secret (5), ``SB6..`` is a sealed load that failed (6), ``SB7..`` is an outside tool (7). ``explain.md`` tells the
whole story of every code.
"""

from __future__ import annotations

from enum import Enum, IntEnum


class Exit(IntEnum):
    """The process exit codes."""

    OK = 0
    BUG = 1
    USAGE = 2
    STATE = 3
    REFRESH = 4
    SECRET = 5
    SEALED_LOAD = 6
    OUTSIDE_TOOL = 7
    CHANGES = 8
    INTERRUPTED = 130


class Code(Enum):
    """Every error code, with the title that ``statebake explain`` shows."""

    # 1xx: usage and configuration
    NO_PROJECT = "SB101"
    UNKNOWN_SETTING = "SB102"
    BAD_SETTING = "SB103"
    CONFIGS_DISAGREE = "SB104"
    BAD_TOML = "SB105"
    NO_INTERPRETER = "SB107"
    OLD_INTERPRETER = "SB108"
    HOST_NOT_INSTALLED = "SB109"
    UNKNOWN_KEY = "SB110"
    UNKNOWN_CODE = "SB111"
    NOT_AN_ARTIFACT = "SB112"
    EXTRA_NOT_INSTALLED = "SB113"
    BAD_REFERENCE = "SB114"
    EDITED_BY_HAND = "SB115"
    BAD_TEMPLATE = "SB116"
    NO_BACKEND = "SB117"
    IDLE_SETTING = "SB118"
    # 2xx: the project's own code and declarations
    BAD_YAML = "SB201"
    BAD_TYPE = "SB202"
    BAD_COMPONENT_CLASS = "SB203"
    BAD_ATTRIBUTES = "SB204"
    UNSET_VARIABLE = "SB205"
    PROJECT_IMPORT = "SB206"
    COMPONENT_LOAD = "SB207"
    WORKER_DIED = "SB208"
    BUILD_DEFS = "SB209"
    OTHER_COPY = "SB210"
    # 3xx: state
    MISSING_STATE = "SB301"
    EMPTY_STATE = "SB302"
    DIGEST_MISMATCH = "SB303"
    KEY_COLLISION = "SB304"
    ORPHAN = "SB305"
    UNRECORDED = "SB306"
    FETCHES_AT_RUN_TIME = "SB307"
    BAD_KEY = "SB308"
    BAD_RECORD = "SB309"
    NEWER_FORMAT = "SB310"
    FOREIGN_FILE = "SB311"
    UNKNOWN_COMPONENT_KEY = "SB312"
    ARTIFACT_MISMATCH = "SB313"
    NO_IGNORE_FILE = "SB314"
    NO_COMPONENTS = "SB315"
    STALE_STATE = "SB316"
    NOT_IN_CONTEXT = "SB317"
    OUT_OF_DATE = "SB318"
    PACKAGE_DATA = "SB319"
    IGNORED_BY_RULE = "SB320"
    LEFT_OUT_BY_BACKEND = "SB321"
    OLD_BUILD = "SB322"
    SECOND_COPY = "SB323"
    NO_CONFIG_FILE = "SB324"
    NO_DECLARATION = "SB325"
    STATE_DIFFERS = "SB326"
    NO_MANIFEST = "SB327"
    WRONG_PLACE = "SB328"
    ATTRIBUTES_DIFFER = "SB329"
    STRATEGY_CHANGED = "SB330"
    TOO_OLD = "SB331"
    TOO_LARGE = "SB332"
    REQUIRED_KEY = "SB333"
    FORBIDDEN_STRATEGY = "SB334"
    SCHEMA_VIOLATED = "SB335"
    STALE_CACHE = "SB336"
    # 4xx: refresh
    FETCH_RAISED = "SB401"
    FETCH_WROTE_NOTHING = "SB402"
    FETCH_DIED = "SB403"
    FETCH_LEFT_FOREIGN = "SB404"
    COMMIT_FAILED = "SB405"
    LOCKED = "SB406"
    READ_ONLY = "SB407"
    STORE_NOT_BUILT_IN = "SB408"
    CONTENT_REJECTED = "SB409"
    CONTENT_SHRUNK = "SB410"
    FETCH_TIMED_OUT = "SB411"
    OUT_OF_TIME = "SB412"
    # 5xx: secrets
    LEAKED_VALUE = "SB501"
    LEAKED_CREDENTIAL = "SB502"
    UNWANTED_FILE = "SB503"
    LOCAL_PATH = "SB504"
    NOT_SEARCHED = "SB505"
    # 6xx: sealed loads
    LOAD_FAILED = "SB601"
    FETCH_ATTEMPTED = "SB602"
    STATE_NOT_OPENED = "SB603"
    NO_DEFINITIONS = "SB604"
    TOO_FEW_DEFINITIONS = "SB605"
    LOAD_TIMED_OUT = "SB606"
    NOT_SEALED = "SB607"
    WRONG_INTERPRETER = "SB608"
    PINS_NOT_READ = "SB609"
    # 7xx: outside tools
    PEX_FAILED = "SB701"
    TOOL_MISSING = "SB702"
    OUTPUT_FAILED = "SB703"
    LOCK_NOT_READ = "SB704"
    ENGINE_MISSING = "SB705"
    ENGINE_UNREACHABLE = "SB706"
    ENGINE_DENIED = "SB707"
    BUILD_FAILED = "SB708"
    BASE_IMAGE = "SB709"
    WRONG_PLATFORM = "SB710"
    ENGINE_FULL = "SB711"
    IMAGE_NOT_FOUND = "SB712"
    PUSH_FAILED = "SB713"
    BACKEND_FAILED = "SB714"

    @property
    def exit(self) -> Exit:
        """The exit code of a run that ends with this error."""
        digit = int(self.value[2])
        return Exit.USAGE if digit == 1 else Exit(digit)


class StatebakeError(Exception):
    """Something that the user can mend.

    Attributes:
        code: which error this is.
        message: what happened, one sentence, without a secret in it.
        where: ``file`` or ``file:line``, where there is one.
        next_step: one thing to do now, a command where possible.
        detail: further lines, for example the tail of a tool's output.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        where: str | None = None,
        next_step: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.where = where
        self.next_step = next_step
        self.detail = detail

    def saying(self, more: str) -> StatebakeError:
        """Return the same error with ``more`` at the end of its message."""
        return StatebakeError(
            self.code, f"{self.message} {more}", where=self.where, next_step=self.next_step, detail=self.detail
        )

    def __str__(self) -> str:
        parts = [f"[{self.code.value}] {self.message}"]
        if self.where:
            parts.append(f"  at {self.where}")
        if self.detail:
            parts.extend(f"  | {line}" for line in self.detail.splitlines())
        if self.next_step:
            parts.append(f"  next: {self.next_step}")
        return "\n".join(parts)
