// tries = "error messages of many MiB"
// verdict = "compile_error"
// expand = [{ token = "/*MANY*/", text = "var _ = undefined_name_that_is_long_enough_to_fill_the_stream_of_messages\n", count = 12000 }]
package main

/*MANY*/

func main() {}
