#pragma once

// How a Python program that was forked from a zygote ends. By itself the interpreter takes apart
// all that it has loaded, which writes to most of its memory and so copies it, and costs more than
// a small program's run. What a program can see of that are its finalizers: `__del__`, what
// unclosed files have yet to write, callbacks of weak references, threads and functions registered
// with atexit. Where none of these exists, the end is the flush of the standard streams.
namespace sandbox::warm {

// In the zygote, with the interpreter's lock held: puts a function of ours in the place of
// Py_FinalizeEx, for this process and its children. False, and nothing is changed, when the
// interpreter is another than expected or the processor is none that is known here: programs then
// end as always. `preloaded`: the modules that were loaded ahead, with commas between.
bool ReplaceFinalize(const char* preloaded);

// In a child that waits for its job, likewise: does once what a small program's run and end do, so
// that the memory for it is the child's own when the job comes. Does nothing when ReplaceFinalize
// has not.
void Rehearse();

}  // namespace sandbox::warm
