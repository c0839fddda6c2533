-- ARGV: owner, id, bytes, ttl, and the bounds: bytes of uploads, uploads, bytes of all that is kept.
-- Counts an upload that is about to be kept. Answers {'granted'}, or {'uploads' or 'kept', bytes that are kept, s until
-- enough has expired}.
--! kept

local owner, id = unpack(ARGV)
local size, ttl, upload_bytes, uploads, kept_bytes = unpack(ARGV, 3)
size = tonumber(size)
strike_kept(owner)
local bytes, of_uploads, count = kept_sums(owner)
local over, many = of_uploads + size - tonumber(upload_bytes), count + 1 - tonumber(uploads)
if over > 0 or many > 0 then return {'uploads', of_uploads, room_in_s(owner, 'upload:', over, many)} end
if bytes + size > tonumber(kept_bytes) then
    return {'kept', bytes, room_in_s(owner, '', bytes + size - kept_bytes, 1)}
end
keep(owner, 'upload:' .. id, size, redis_s() + ttl)
return {'granted'}
