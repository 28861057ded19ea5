-- ARGV: id. Returns the job's fields.
return fields_of(ARGV[1])
