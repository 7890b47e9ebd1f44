//! File-system calls beneath directory handles.
