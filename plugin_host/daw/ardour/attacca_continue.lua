ardour { ["type"] = "EditorAction", name = "Attacca: go on from the region", license = "Apache-2.0", author = "Attacca",
	description = "Asks Attacca for new bars that follow the selected audio region, and puts them behind it on its track." }

function factory() return function()
	local path = ARDOUR.LuaAPI.build_filename(ARDOUR.user_config_directory(-1), "scripts", "attacca.lua")
	local file = assert(io.open(path), "copy attacca.lua to " .. path)
	local attacca = assert(load(file:read("a"), "attacca.lua"))()
	file:close()
	attacca.in_window("Attacca: go on from the region", function(options, place)
		local region
		for selected in Editor:get_selection().regions:regionlist():iter() do region = region or selected end
		if not region then error("select the audio region to go on from", 0) end
		return attacca.continue(Session, region, options, place(attacca.track_of(Session, region)))
	end)
end end
