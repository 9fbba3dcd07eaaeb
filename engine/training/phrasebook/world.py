"""What people type for dance music of four regions. See `engine.training.phrasebook` for the columns."""

from __future__ import annotations

from engine.training.phrasebook.table import Said

WORLD: dict[str, Said] = {
    "afrobeat": Said(
        names="""afro beat; afro-beat; afrobeats band; afrofunk; afro funk; highlife; high-life; juju music; african
            funk; nigerian funk; ghanaian highlife; west african; ethio-jazz; ethio groove; soukous; african jazz;
            african music; african groove; mbalax; desert blues; afro jazz; afro soul; afrorock; african big band;
            lagos sound; african disco; world music from africa; afro-latin; music from mali; congolese rumba;
            burger highlife; tribal funk; música africana; afrikanische Musik; musique africaine; musique
            nigériane; african dance music; african party; yoruba music; afro groove""",
        heard="""horn riffs; interlocking guitars; shekere; congas and talking drum; polyrhythms; a tenor guitar
            ostinato; a big horn section over percussion; call and response; a hypnotic bass line with bongos;
            baritone sax riffs; claves and cowbell; african percussion; an electric organ with horns and congas;
            an endless groove; hand drums; djembe; chattering guitars; kalimba; balafon; guitar picking from
            Kinshasa; layered percussion; a drummer who never repeats; trumpets and saxes in unison; clave pattern
            on a bottle; three saxes and a trumpet over congas; a bubbling guitar line; an agogo bell; rattling
            gourds; a rolling drum kit with bells; minor horn lines over a long vamp; a wah guitar, sticks and
            drums; chanting horns; thumb piano and bass; crossing rhythms on many drums""",
        scenes="""Lagos; Nigeria; Ghana; Accra; a west African city; a street party in Africa; a drum circle; an African
            wedding; Kinshasa at night; a market in Dakar; a carnival of drums; a protest march with horns; the
            Shrine club; Addis Ababa; a safari film with energy; a world music festival; a bus ride through Benin;
            Kenya; a dance class with drummers; a savannah celebration; Mali; Bamako; Cameroon; an African
            football team celebrating; a dance hall in Accra; independence day in West Africa; a Lagos traffic
            jam; a big band in a courtyard; a parade with drums and horns; a beach party in Senegal; a political
            rally with a band; a market in Nigeria; a kente cloth fashion show; a film about Kinshasa; a
            percussion workshop; Cape Verde to Cameroon; a savanna festival""",
        whole="""long hypnotic dance groove with horns; percussion everywhere and saxophones; african band with many
            drummers; rhythms from Africa with electric guitars; celebration with drums and brass; funky but
            african; trance-like groove, horns and guitars; dance, percussion and politics; a rolling polyrhythmic
            groove; a twenty piece band jamming on one chord with congas; earthy, percussive, joyful; Trommeln und
            Bläser aus Westafrika; groove africain avec percussions; ritmos africanos con metales; motherland
            grooves; brass over layers of drums; guitars like a talking drum; warm african evening, everybody
            dances; sunny african guitars; seventies african vinyl; many drummers, many horns, one groove;
            hypnotic guitar patterns and brass from Nigeria; dance till you fall, percussion and saxophones; the
            groove circles and circles; an african orchestra for dancing; fiery horns with political anger;
            guitars from Ghana; a band of fifteen with congas; sunny guitars and rolling drums from Africa; rhythm
            on rhythm on rhythm; earthy party with horn lines; joyous drums from Lagos; west african party band;
            funk as they play it in Nigeria""",
        hints="""africa; senegal; congo; kinshasa; ethiopia; benin; kente; dashiki; talking drum; kora; congas; horns
            and percussion; market square; street parade; drummers; ancestors; rhythm circle; motherland; village
            drums; carnival; sunshine and drums; afro; black power; protest; a long groove; jam; saxophone riffs
            with congas; wah guitar with african drums; dance troupe; dancers and drums; tropical city; juju;
            percussion jam; guitar lines that interlock; a rolling bass and drums; horn chants; an african big
            band; minor-key horns; endless vamp; call and answer between horns; organ solo over african
            percussion; polyrhythmic dance; seventies West Africa; a bus in Lagos traffic; hand drums and guitars;
            colourful fabrics; joyful percussion; rhythms that overlap; bells and shakers; brass from Africa;
            trance dance with drums; a celebration in Dakar""",
        abroad="""afrique; afrika; áfrica; westafrika; afrique de l'ouest; nigérian; tambores; trommeln; danse
            africaine; baile africano; música de nigeria; ritmi africani; muzyka afrykańska; tambours et cuivres;
            fiesta africana; afrikanische Tänze; guitares congolaises""",
    ),
    "balkan": Said(
        names="""balkan; balkan brass; balkan beats; gypsy brass; klezmer; romani music; gypsy music; serbian brass;
            bulgarian folk; macedonian folk; romanian folk; greek dance; turkish dance; eastern european folk;
            kolo; hora; sirba; csardas; polka; odd-meter folk; wedding brass; guca; sevdah, fast; yugoslav; jewish
            wedding; hungarian; ukrainian dance; balcan; balkanique; balkanmusik; música balcánica; fanfare
            balkan; musique tzigane; gipsy wedding; ruchenitsa; circus music; slavic dance; oriental brass;
            rembetiko dance""",
        heard="""a wild brass band; trumpets in thirds; tuba oompah; ornamented clarinet; fast accordion; an asymmetric
            rhythm; a dance in 7/8; 9/8 counted two two two three; davul; tapan drum; a helicon; frantic fiddle;
            cimbalom; a violin that wails; zurna; tambura strings; minor scale with an augmented second; brass and
            snare at breakneck speed; flugelhorns; a limping beat with accordion; hijaz scale; shouting and
            trumpets; bouzouki in nine; a clarinet that laughs and cries; blaring trumpets over a tuba; a
            shrieking clarinet; an accordion at full speed; a drum beaten with a stick and a switch; trumpets
            playing turns and trills; a fiddle and a bass drum in seven; a wedding clarinet; quick brass band
            oompah; a reed pipe and drum; spicy minor scales on brass""",
        scenes="""a village wedding; a gypsy caravan; a drunken feast; Serbia; Bulgaria; Macedonia; Romania; Sarajevo; a
            circus; a shtetl; a Kusturica film; a circle dance; a Greek taverna; Istanbul; a chaotic funeral
            parade; a Transylvanian village; vodka and smashed plates; a bar mitzvah; Albania; a train through the
            Carpathians; a travelling show; Thessaloniki; the Danube; a caravan of musicians; a wedding with three
            hundred guests; a feast in the mountains of Bulgaria; a film about gypsies; a slapstick chase; a brass
            contest in Serbia; a dance in a Greek harbour; a klezmer wedding in Brooklyn; a Romanian village fair;
            an old man dancing on a table; a crazy taxi ride in Belgrade; a Turkish bazaar; a train of musicians;
            harvest dance in Moldova""",
        whole="""crazy brass band from eastern Europe; fast folk dance with strange rhythm; trumpets, tuba and madness;
            whirling and festive; wild wedding party with accordion and clarinet; everyone drunk and dancing in a
            circle; folk dance in uneven meter; exotic scales and quick brass; fiery gypsy violin and accordion;
            east european party music; spinning faster and faster; Blasmusik vom Balkan; fanfare des Balkans; boda
            gitana con trompetas; oompah gone wild; jump and shout with trumpets; a limping dance; village band
            with clarinets and drums; hopping seven-beat dance; slavic and frantic; trumpets, sweat and schnapps;
            dance in seven with accordion; everything gets faster until they drop; wild eastern brass; odd rhythm,
            clarinet on fire; a band of drunken trumpet players; oompah with oriental melodies; stamp and clap in
            uneven time; circus gone mad; fast folk from the east; the wedding band won't stop; whirl around to
            accordion; sad and wild at once, with violins from Romania; brass orchestra speeding up""",
        hints="""balkans; bosnia; gypsy; accordion; tuba; oompah; feast; plum brandy; rakija; vodka; circus; clowns;
            acrobats; village square; mustaches; headscarf; mad dance; spinning; stomping; whirling; circle dance;
            parade; chaos; shtetl; hava; bazaar; ottoman; caravan; slavic; cossack; kazachok; tavern; plates;
            ouzo; sirtaki; bouzouki; hungary; hungarian dance; transylvania; drunken brass; limping rhythm; odd
            folk dance; seven beats folk; nine-eight dance; trumpets and accordion; eastern scale; wailing
            clarinet; rapid brass; tuba bass and snare; a crazy wedding; fast and furious folk; minor-key party;
            village brass; a travelling circus with brass; table-dancing; hot trumpets; folk dance in a circle; a
            funeral with brass band; the orient express""",
        abroad="""mariage; Hochzeit; boda; Blaskapelle; akkordeon; acordeón; accordéon; fisarmonica; clarinette;
            klarinette; Dorffest; fête de village; fiesta de pueblo; trompetas; wesele; svadba; orkestar; zirkus;
            cirque; danza en círculo""",
    ),
    "bossa nova": Said(
        names="""bossa; bossanova; bosa nova; bossa-nova; samba; soft samba; samba jazz; samba canção; brazilian jazz;
            latin jazz; brazilian lounge; mpb; latin lounge; brazil; brazilian music; jazz samba; choro, gentle;
            bolero; easy listening; elevator music; exotica; cocktail latin; tropical lounge; rumba, soft;
            cha-cha, soft; música brasileira; musique brésilienne; brasilianische Musik; música latina suave;
            bossa jazz; brasil; latin guitar; tropicalia; latin music; rio sound; bossa lounge; muzak; beguine;
            samba-canção lenta; latin ballad""",
        heard="""a nylon-string guitar; classical guitar with syncopated chords; cross-stick clave; a whispering flute;
            soft shaker; brushed snare in a latin rhythm; rim clicks; gentle guitar and double bass; jazz chords
            on a spanish guitar; a breathy sax over soft latin drums; a light samba beat; pandeiro; cavaquinho;
            soft piano montuno; quiet vibraphone with latin guitar; maracas played softly; surdo, very quiet;
            fingerstyle guitar with ninth chords; a mellow tenor sax and nylon guitar; latin brushes; soft bongo;
            acoustic guitar, shaker and bass; a muted latin groove; major seventh chords on nylon; hushed nylon
            chords; a flute floating over soft guitar; light rim clicks and bass; a mellow trombone with a samba
            feel; gentle maracas; a quiet electric piano with brazilian guitar; a shuffling brush pattern with
            guitar; murmured melody on a soft sax; lilting guitar off-beats""",
        scenes="""a beach in Rio; Ipanema; a cafe terrace; an elevator; a cocktail hour in the tropics; sunset in
            Brazil; a summer breeze; a seaside restaurant; a hotel lounge; brunch; a sixties airline commercial; a
            palm beach; a yacht with cocktails; a waiting room; Sunday breakfast; Sao Paulo; a hammock with a
            guitar; a romantic stroll by the ocean; Bahia; a supermarket; Lisbon at dusk; a spa with guitar; a tea
            room; a retro travel film; a phone queue; a hotel terrace; a beach in the sixties; a quiet cocktail
            party; iced coffee by the sea; a department store; an airport lounge; a stroll on the promenade; a
            lazy Sunday in Bahia; a fish restaurant; a villa with a pool, quiet; an art-house romance in Rio;
            after lunch in the tropics; a dentist's waiting room; a flight over the sea""",
        whole="""soft brazilian guitar music; relaxed latin tune with flute; gentle, breezy and elegant; light samba
            with jazz chords; tropical and quiet; sunny cafe music with guitar; romantic latin guitar,
            understated; whispered and warm, with nylon guitar; easy latin rhythm, not loud; light latin jazz for
            dinner; cool breeze and coconut water, guitar; sanfte brasilianische Gitarre; guitare brésilienne
            douce; guitarra brasileña suave; sixties brazil; elegant, intimate rhythm from Rio; soft latin
            percussion and guitar; holiday in Brazil; saudade; a lazy afternoon by the sea with jazz guitar;
            whisper-soft latin guitar; refined and sunny; a guitar sways, a flute answers; a light tropical
            breeze; quiet samba to dine to; pretty chords, soft rhythm, Brazil; cool and elegant like a sixties
            postcard; gentle rhythm from the south; sunlight on water, nylon strings; nothing loud, just guitar
            and soft percussion; romance in Rio; mild and jazzy latin; soothing latin music in the background;
            guitar of a fisherman in Brazil""",
        hints="""rio; copacabana; caipirinha; cocktail; beach; palm; breeze; hammock; elevator; terrace; sunset;
            bikini; coffee; papaya; mango; nylon; guitar and flute; soft latin; shaker; seaside; siesta; sunhat;
            sandals; carnival far away; lisbon; cuba libre; latin; tropical; holiday; resort; cruise; poolside,
            quiet; romance by the sea; sugarloaf; vespa; sixties glamour; airport lounge; hold music; dinner in
            the tropics; spanish guitar, soft; rim click; clave; gentle percussion; quiet guitar and brushes;
            whispered song; light syncopation; jazzy nylon guitar; easygoing latin; sea view restaurant; sipping;
            understated; cool and tropical; soft saxophone and samba rhythm; sunny and soft; a lazy samba; girl on
            the beach; airy flute with guitar; warm evening by the bay; latin for a dinner party; brazilian
            summer; guitar chords with a lilt; piano and soft latin drums; retro cocktail; light tropical jazz;
            balcony with flowers""",
        abroad="""brésil; brasilien; brasile; plage; praia; playa; strand und gitarre; musique d'ascenseur;
            fahrstuhlmusik; música de ascensor; guitare nylon; violão; guitarra española suave; cha cha suave;
            douceur tropicale; ritmo latino tranquilo; muzyka brazylijska; leichter Samba; brisa del mar""",
    ),
    "reggae": Said(
        names="""reggae; raggae; regae; raggay; reggea; dub; roots; roots reggae; rocksteady; rock steady; ska; lovers
            rock; dub reggae; steppers dub; dancehall; ragga; dubwise; jamaican; jamaican music; caribbean; island
            music; rasta music; rastafari; one drop; nyabinghi; 2 tone; dub plate; digital dub; reggae dub;
            calypso; soca; reggaeton, slow; early reggae; skinhead reggae; sound system music; musique jamaïcaine;
            música jamaicana; reggaemusik; reggae rock; uk dub""",
        heard="""an offbeat guitar; skanking guitar; an organ bubble; a one-drop drum beat; a heavy bassline with
            offbeat chords; spring reverb; tape echo; dub delays; melodica; upstroke guitar; a rimshot drenched in
            echo; deep bass and skank; offbeat piano chops; a steel drum; a horn section over ska rhythm;
            nyabinghi drums; a siren through delay; guitar on two and four, short; bass that speaks and drums that
            leave holes; rockers drum beat; bubbling organ; echo chamber; a lazy offbeat; timbales fills with
            echo; choppy guitar on the back beat; a bass heavier than everything; a kick on three; a hazy organ
            shuffle; trombone with echo; rim shots flying into delay; high snare and deep bass; percussive keys
            between the beats; a wailing melodica; bongo and repeater drums""",
        scenes="""Jamaica; Kingston; Trenchtown; a beach with palm trees; a sound system dance; a Caribbean island; a
            beach bar; a summer festival; Notting Hill carnival; a hammock; a rum cocktail; a surf shack;
            dreadlocks; a barbecue on the beach; Ethiopia and lions; a holiday in the Bahamas; a smiling island; a
            lazy boat trip; Negril at sundown; a hippie van; a Rasta preacher; Barbados; a street dance in
            Kingston; a beach shack; a slow boat; a surf trip; a cricket match in the islands; a fruit stand in
            the sun; a Caribbean cruise; a sleepy island harbour; a peace festival; a snorkelling clip; a rum
            advert; a barefoot walk on the sand; a yard with giant speakers; a toasting deejay""",
        whole="""sunny and relaxed with offbeat guitar; island vibes; chill beach music from Jamaica; heavy bass and
            echo; peace and love; good vibrations, offbeat chords; one love; laid-back groove from the Caribbean;
            slow and hazy with deep bass; everything is going to be all right; bass-heavy with delays everywhere;
            happy island rhythm; jah; entspannte Musik aus der Karibik; musique des îles; música de la isla con
            ritmo relajado; offbeat; rasta vibes; irie; slow skanking groove with echo; caribbean sunshine, no
            stress; echo on the snare and a giant bass; easy does it, island style; the bass leads and the guitar
            chops; sun, sea and offbeats; don't worry; a spacious mix with echoes and bass; rhythm from Jamaica,
            nice and slow; warm sun on my skin, offbeat organ; rebellious but relaxed; chant down the system; a
            happy lazy beat with upstroke guitar; drop the drums, leave bass and echo; bouncing ska with horns;
            love and unity; heavy, slow, full of echo""",
        hints="""rasta; lion of judah; echo; delay; upbeat chops; sound system; selector; island; coconut; rum; unity;
            babylon; zion; red gold and green; bass; heavy bass; riddim; trombone ska; steel pans; surf; surfers;
            sunburn; chilling on the beach; lazy; laid back; vibes; jerk chicken; lovers; stepping; rudeboy;
            trinidad; carnival with steel drums; ukelele on the beach with bass; echoing snare; guitar on the
            offbeat; bubbling keys; slow and sunny; bass and drums with delay; dubby; tape echo and spring;
            trumpet with dub echo; relaxed island groove; rebel music; righteous; conscious island music;
            chanting; beach party slow; slow groove with upstrokes; lazy offbeats; happy ska horns; a hazy
            afternoon on the island; sunshine and bass; deep dub; reverberating drums""",
        abroad="""jamaïque; jamaika; karibik; caraïbes; caribe; plage et soleil; sol y playa; sonne, strand und bass;
            île; isla; insel; rythme à contretemps; contratiempo; ritmo en levare; musica giamaicana; karaiby;
            wyspa i słońce; détente au soleil; buena onda""",
    ),
}  # fmt: skip
