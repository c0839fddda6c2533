-- ARGV: owner, id. An upload that was counted is kept no more.
--! kept

keep(ARGV[1], 'upload:' .. ARGV[2], 0)
