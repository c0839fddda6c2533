-- ARGV: owner. What it uses: predictions that have not ended, images and predictions of its day, s until that is over,
-- bytes that are kept, those of uploads, and how many these are.
--! admission

local owner = ARGV[1]
strike_kept(owner)
local used = redis.call('HMGET', USED .. owner, 'images', 'predictions')
local outstanding = unfinished(owner, redis_s())
local bytes, upload_bytes, uploads = kept_sums(owner)
return {outstanding, tonumber(used[1] or 0), tonumber(used[2] or 0), redis.call('TTL', USED .. owner), bytes, upload_bytes, uploads}
