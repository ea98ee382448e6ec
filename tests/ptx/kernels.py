"""Small kernels in hand-written PTX, most of which write one word for each thread."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.ptx.run import Pointer, Program, load

HEADER = ".version 9.0\n.target sm_90\n.address_size 64\n"

Words = NDArray[np.uint32]


def kernel(statements: str, declarations: str = "", parameters: str = "") -> Program:
    """Return an entry that writes ``%result`` to ``out[%thread]`` at its end.

    ``%thread`` counts the threads of the grid (in x), ``%out`` is the address of the
    array ``out``, ``%in`` that of ``in``; ``%a`` and so on are for the statements.
    """
    return load(f"""{HEADER}
{declarations}
.visible .entry kernel(.param .u64 out, .param .u64 in{parameters})
{{
    .reg .b32 %result, %thread, %a<20>;
    .reg .b64 %out, %in, %place, %b<20>;
    .reg .b16 %h<5>;
    .reg .pred %p<5>;
    ld.param.u64 %out, [out];
    ld.param.u64 %in, [in];
    mov.u32 %a0, %ctaid.x;
    mov.u32 %a1, %ntid.x;
    mov.u32 %thread, %tid.x;
    mad.lo.u32 %thread, %a0, %a1, %thread;
    mad.wide.u32 %place, %thread, 4, %out;
    mov.u32 %result, 0;
{statements}
    st.global.u32 [%place], %result;
    ret;
}}""")


def results(
    program: Program,
    threads: int,
    values: NDArray[Any] | None = None,
    *arguments: object,
    shared_bytes: int = 0,
    reverse: bool = False,
) -> list[int]:
    """Run one block and return what its threads wrote; ``values`` are ``in``."""
    out = np.zeros(threads, dtype=np.uint32)
    given = np.zeros(1, dtype=np.uint32) if values is None else values
    program.launch(
        1,
        threads,
        Pointer(out),
        Pointer(given),
        *arguments,
        shared_bytes=shared_bytes,
        reverse=reverse,
    )
    return out.tolist()
