// tries = "let the compiler's messages quote files of the host"
// verdict = "compile_error"
// compile_stderr = "undefined"
package main

//line /etc/shadow:1
func main() { undefined1() }

//line /var/lib/code-sandbox/jobs.db:1
func other() { undefined2() }

/*line ../../../../etc/passwd:1:1*/ var x = undefined3
