-- KEYS: lease, batch, bits of its lines, parts of its output, parts of its errors.
-- ARGV: who holds the lease, completed and failed lines, a part of the output or '' and its size, the same of the
-- errors, then the numbers of the lines.
-- Notes answers of a batch's lines, unless the lease is another's by now. Answers 1 if it did.

local lease, batch, lines, output, errors = unpack(KEYS)
local holder, completed, failed, output_part, output_bytes, error_part, error_bytes = unpack(ARGV)
if redis.call('GET', lease) ~= holder then return 0 end
for place = 8, #ARGV do redis.call('SETBIT', lines, ARGV[place], 1) end
redis.call('HINCRBY', batch, 'completed', completed)
redis.call('HINCRBY', batch, 'failed', failed)
redis.call('HINCRBY', batch, 'output_bytes', output_bytes)
redis.call('HINCRBY', batch, 'error_bytes', error_bytes)
if output_part ~= '' then redis.call('RPUSH', output, output_part) end
if error_part ~= '' then redis.call('RPUSH', errors, error_part) end
return 1
