-- What both Ardour actions share: bars of the session's tempo map, the region's sound as a file, the command line
-- `attacca`, and the new file on the track. Needs Ardour 7's Lua; no window. Every mistake is an error() with one sentence.
local M = { context_bars = 8 }
local CHUNK = 8192

-- ---- the session's bars (counted from 1, as Ardour shows them)

local function beats(map, bar, ticks) return map:quarters_at_bbt(Temporal.BBT_TIME(bar, 1, ticks)) end
local function bar_sample(map, bar) return map:sample_at_beats(beats(map, bar, 0)) end

-- The first bar whose line lies at a sample or after it, and the line's sample. Ardour's lines may be one sample early:
-- a line within one sample counts as being there.
local function bar_from(map, sample)
	local bar = map:bbt_at(Temporal.timepos_t(sample)).bars
	while bar_sample(map, bar) < sample - 1 do bar = bar + 1 end
	local line = bar_sample(map, bar)
	return bar, math.abs(line - sample) <= 1 and sample or line
end

-- "0:120,4:97.5" and "0:4/4,4:3/4" for `bars` bars from `first` on, as the command line takes them. They are read one
-- tick after the line: on the line of a change itself Ardour 7 tells what held before it.
local function maps(map, first, bars)
	local tempi, meters, last_tempo, last_meter = {}, {}, nil, nil
	for bar = 0, bars - 1 do
		local at = beats(map, first + bar, 1)
		local tempo = string.format("%.3f", map:tempo_at_beats(at):quarter_notes_per_minute())
		local meter = map:meter_at_beats(at)
		meter = string.format("%d/%d", meter:divisions_per_bar(), meter:note_value())
		if tempo ~= last_tempo then table.insert(tempi, bar .. ":" .. tempo) end
		if meter ~= last_meter then table.insert(meters, bar .. ":" .. meter) end
		last_tempo, last_meter = tempo, meter
	end
	return table.concat(tempi, ","), table.concat(meters, ",")
end

-- ---- files

local function header(rate, channels, frames)
	local size = frames * channels * 4
	return "RIFF" .. string.pack("<I4", size + 36) .. "WAVEfmt " ..
		string.pack("<I4I2I2I4I4I2I2", 16, 3, channels, rate, rate * channels * 4, channels * 4, 32) ..
		"data" .. string.pack("<I4", size)
end

-- A float WAV of a readable's frames from `first` on; what lies past its end is silence.
local function write_wav(path, readable, first, frames, rate)
	local channels, memory = readable:n_channels(), {}
	for c = 1, channels do memory[c] = ARDOUR.DSP.DspShm(CHUNK) end
	local file = assert(io.open(path, "wb"))
	file:write(header(rate, channels, frames))
	for at = 0, frames - 1, CHUNK do
		local count, rows, columns = math.min(CHUNK, frames - at), {}, {}
		for c = 1, channels do
			ARDOUR.DSP.memset(memory[c]:to_float(0), 0, CHUNK)
			local left = math.min(count, readable:readable_length() - first - at)
			if left > 0 then readable:read(memory[c]:to_float(0), first + at, left, c - 1) end
			columns[c] = memory[c]:to_float(0):array()
		end
		for k = 1, count do
			for c = 1, channels do rows[#rows + 1] = string.pack("<f", columns[c][k]) end
		end
		file:write(table.concat(rows))
	end
	file:close()
end

-- Where the samples of an open float WAV lie: first byte, bytes, channels.
function M.wav_data(file)
	local form = file:read(12) or ""
	if form:sub(1, 4) ~= "RIFF" and form:sub(1, 4) ~= "RF64" then error("this is no WAV file", 0) end
	local channels, code, bits
	while true do
		local head = file:read(8)
		if not head then error("a WAV file without samples", 0) end
		local name, size = string.unpack("<c4I4", head)
		if name == "data" then
			if bits ~= 32 or (code ~= 3 and code ~= 0xFFFE) then
				error("set the session's sample format to 32-bit floating point", 0)
			end
			return file:seek(), size, channels
		end
		local body = file:read(size + size % 2)
		if name == "fmt " then code, channels, _, _, _, bits = string.unpack("<I2I2I4I4I2I2", body) end
	end
end

-- ---- the command line

local function quoted(word) return "'" .. tostring(word):gsub("'", "'\\''") .. "'" end

-- Runs `attacca` with these words. Returns what --json says of frames and seed. LD_LIBRARY_PATH is Ardour's own affair.
function M.run(words)
	local errors = os.tmpname()
	local line = { "env", "-u", "LD_LIBRARY_PATH", quoted(M.command or os.getenv("ATTACCA") or "attacca") }
	for _, word in ipairs(words) do table.insert(line, quoted(word)) end
	local pipe = assert(io.popen(table.concat(line, " ") .. " --json 2>" .. quoted(errors)))
	local said = pipe:read("a")
	local good = pipe:close()
	local file = io.open(errors)
	local told = file and file:read("a") or ""
	if file then file:close() end
	os.remove(errors)
	if not good then error("attacca: " .. (told:match("([^\n]+)%s*$") or "not found: put it on PATH or set ATTACCA"), 0) end
	return { frames = tonumber(said:match('"frames":%s*(%d+)')), seed = tonumber(said:match('"seed":%s*(%d+)')) }
end

local function optional(words, options)
	if options.prompt and options.prompt ~= "" then table.insert(words, "--prompt") table.insert(words, options.prompt) end
	if options.seed and options.seed >= 0 then
		table.insert(words, "--seed") table.insert(words, string.format("%d", options.seed))
	end
	return words
end

-- A name for a file that is not there yet. Ardour calls the region after it.
local function temporary(name)
	local path = os.tmpname()
	os.remove(path)
	local folder, unique = path:match("^(.*[/\\])[^/\\]-([^/\\_]*)$")
	return folder .. name .. "-" .. unique .. ".wav"
end

-- Runs, places and cleans up. Returns first sample, frames, seed and by how many frames the end misses Ardour's bar line.
local function made(words, context, wanted, place)
	local out = temporary("attacca-bar" .. wanted.bar)
	table.insert(words, "-o") table.insert(words, out)
	local good, said = pcall(M.run, words)
	if context then os.remove(context) end
	if not good then error(said, 0) end
	place(out, wanted.first, said.frames)
	os.remove(out)
	return { first = wanted.first, frames = said.frames, seed = said.seed, off = said.frames - (wanted.last - wanted.first) }
end

-- ---- the two actions. options: bars, prompt, seed (-1: any). place(path, sample, frames) puts a file on the track.

-- New bars behind a region, from the first bar line at its end or after it. Up to 8 of its bars are what is continued.
function M.continue(session, region, options, place)
	local audio = region:to_audioregion()
	if audio:isnil() then error("this is no audio region: select the one to go on from", 0) end
	local map, rate = Temporal.TempoMap.read(), math.floor(session:nominal_sample_rate())
	local begin = region:position():samples()
	local last_bar, to = bar_from(map, begin + region:length():samples())
	local first_bar, from = bar_from(map, begin)
	if first_bar >= last_bar then error("the region holds no whole bar: make it longer, or move it onto a bar line", 0) end
	if last_bar - first_bar > M.context_bars then
		first_bar = last_bar - M.context_bars
		from = bar_sample(map, first_bar)
	end
	local context = temporary("attacca-context")
	write_wav(context, audio:to_readable(), from - begin, to - from, rate)
	local kept = last_bar - first_bar
	local tempo, meter = maps(map, first_bar, kept + options.bars)
	local words = { "continue", context, "--bars", options.bars, "--tempo", tempo, "--meter", meter, "--at-bar", kept }
	local wanted = { bar = last_bar, first = to, last = bar_sample(map, last_bar + options.bars) }
	return made(optional(words, options), context, wanted, place)
end

-- New bars from a prompt, at a bar of the session.
function M.generate(session, bar, options, place)
	if not options.prompt or options.prompt == "" then error("say what it should sound like", 0) end
	local map = Temporal.TempoMap.read()
	local tempo, meter = maps(map, bar, options.bars)
	local rate = string.format("%d", session:nominal_sample_rate())
	local words = { "generate", "--bars", options.bars, "--tempo", tempo, "--meter", meter, "--rate", rate }
	local wanted = { bar = bar, first = bar_sample(map, bar), last = bar_sample(map, bar + options.bars) }
	return made(optional(words, options), nil, wanted, place)
end

-- The session's bar that begins at a sample or next after it; the sample at which a bar begins.
function M.bar_from(sample) return (bar_from(Temporal.TempoMap.read(), sample)) end
function M.bar_sample(bar) return bar_sample(Temporal.TempoMap.read(), bar) end

-- The track on whose playlist a region lies.
function M.track_of(session, region)
	local id = region:to_stateful():id()
	for route in session:get_tracks():iter() do
		local track = route:to_track()
		if not track:isnil() and not track:playlist():region_by_id(id):isnil() then return track end
	end
	error("the region lies on no track", 0)
end

-- ---- in Ardour's window

local function imported(track)
	return function(path, sample)
		local files = C.StringVector()
		files:push_back(path)
		-- of Ardour's ways to import, merging is the one that takes the track that it is given
		Editor:do_import(files, Editing.ImportMergeFiles, Editing.ImportToTrack, ARDOUR.SrcQuality.SrcBest,
			ARDOUR.MidiTrackNameSource.SMFTrackName, ARDOUR.MidiTempoMapDisposition.SMFTempoIgnore,
			Temporal.timepos_t(sample), ARDOUR.PluginInfo(), track, false)
	end
end

local function told(title, text)
	LuaDialog.Message(title, text, LuaDialog.MessageType.Info, LuaDialog.ButtonType.Close):run()
end

-- Asks for bars, prompt and seed, runs action(options, place) and tells what went wrong. place(track) is M's `place`.
function M.in_window(title, action)
	local options = LuaDialog.Dialog(title, {
		{ type = "number", key = "bars", title = "Bars", min = 1, max = 64, step = 1, digits = 0, default = 4 },
		{ type = "entry", key = "prompt", title = "Prompt", default = "" },
		{ type = "number", key = "seed", title = "Seed (-1: any)", min = -1, max = 2147483647, step = 1, digits = 0, default = -1 },
	}):run()
	if not options then return end
	options.bars, options.seed = math.floor(options.bars), math.floor(options.seed)
	local good, made = pcall(action, options, imported)
	if not good then
		told(title, tostring(made))
	elseif math.abs(made.off) > 1 then
		told(title, "The tempo changes inside of a bar here: the new bars end " .. made.off .. " samples off Ardour's bar line.")
	end
end

return M
